-- The key that transactions sign with who they are.
select encode(key, 'hex') from pgherald.context_key
