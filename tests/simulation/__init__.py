"""Deterministic simulation of delivery: the real pipeline over a simulated Kafka, in virtual time, by seeds.

What runs is the product: processor, dispatcher, tracker, flusher, executor, `KafkaSource`, `KafkaSink` and
`KafkaTransactions`. What is simulated lies below them: the event loop (`loop`), the client library (`clients`),
the network (`network`) and the brokers (`broker`, `group`, `ledger`). A seed draws the faults (`draw`), a world
runs them (`world`, `storm`), and `checks` looks at every commit and at the end.

A worker that crashes runs nothing any more, not even a `finally`; a worker that is paused goes on later, with
everything that has come due meanwhile, as a process does after SIGSTOP and SIGCONT.
"""
