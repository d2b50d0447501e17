"""Plan, carry out, check, publish.

    plan(pipeline, lake, ...)   -> Plan                 # given readers only
    explain(plan)               -> text
    carry_out(plan, lake, ...)  -> Outcome              # branch, steps, tables, checks, publish

``explain`` and ``carry_out`` read the same value, so what is shown is what is done.
"""
