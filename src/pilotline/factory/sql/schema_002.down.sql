-- Back to the first schema.

DROP INDEX factory_order_of_project;
