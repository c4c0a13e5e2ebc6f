"""Rollouts: the stepwise update of an online endpoint, kept in the ledger and advanced by ticks.

`splits` and `judging` are arithmetic; `plan` says what is to be done next, `going` how a record goes on, both pure;
`rollouts` does it, as a platform to which a rollout is a job like any other; `commands` is what operators may do.
"""
