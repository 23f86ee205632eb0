-- pgherald: set=core

-- The counts that the daemon writes itself are told to nobody. A correction by hand is a change like
-- any other, and the trail shall say what stood there before.
alter table public.api_key_usage replica identity full;
