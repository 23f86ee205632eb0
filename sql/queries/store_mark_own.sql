-- Tells our own stream that this transaction is ours. $1 slot
insert into pgherald.store_marks as m (slot_name, batches) values ($1, 1)
on conflict (slot_name) do update set batches = m.batches + 1
