-- What was applied, by which content, and whether with the seed application.
select name, checksum, seed_app
from pgherald.migrations
order by name
