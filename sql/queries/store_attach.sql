-- Where to go on. $1 slot
select commit_lsn, end_lsn from pgherald.attach($1)
