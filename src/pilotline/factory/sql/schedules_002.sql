-- A schedule asks whether an order of its own still waits, however many orders there are.

CREATE INDEX factory_order_of_schedule_waiting ON factory_order (schedule, number) WHERE state = 'waiting';
