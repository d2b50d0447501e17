-- Back to the first schema: nothing but an index was added.

DROP INDEX factory_order_of_schedule_waiting;
