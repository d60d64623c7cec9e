"""Deterministic simulation of delivery: the real pipeline over a simulated Kafka, in virtual time, by seeds.

What runs is the product: processor, dispatcher, fast path, tracker, flusher, executor, `KafkaSource`, `KafkaSink` and
`KafkaTransactions`, and under them aiokafka's client, consumer and producer as they are installed. What is simulated
lies below: the event loop (`loop`), clocks and chance of the client library (`patches`), connections (`network`), and
the brokers (`answers`, `broker`, `group`, `ledger`), which take and give record batches as bytes (`batches`). A seed
draws the faults (`draw`), a world runs them (`world`, `feeder`, `storm`), and `checks` looks at what is written, at
every commit, and at the end. `paths` counts which way records took.

A worker that crashes runs nothing any more, not even a `finally`; a worker that is paused goes on later, with
everything that has come due meanwhile, as a process does after SIGSTOP and SIGCONT.
"""
