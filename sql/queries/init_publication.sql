-- $1 publication, $2 schemas: every table of the schemas, and why it is not in the publication. Messages
-- to topics are always followed, see src/stream/statement.c.
select relation::text, reason
from pgherald.refresh_publication($1, $2::text[] || 'realtime'::text)
