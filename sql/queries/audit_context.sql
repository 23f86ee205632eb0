-- What the rows that are undone now shall say of why. $1 json
select pgherald.set_context(context => $1::jsonb)
