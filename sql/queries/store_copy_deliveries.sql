-- The outbox rows of a batch.
copy public.webhook_deliveries (webhook_id, message_id, event_type, payload, row_key)
from stdin (format binary)
