"""Every place that replaces or reaches into a part of aiokafka.

| module | what it replaces or reads | why | with another version |
|---|---|---|---|
| `fetcher` | the classes that decode fetched batches | a third of the CPU; unreadable batches | aiokafka's own |
| `record_batch` | the builder of record batches | a third of the CPU; codec levels | `create_batch` |
| `produce` | how produce requests are written | no copy of the batches | aiokafka's own |
| `checksum` | CRC-32C of batches | nine times as fast | aiokafka's own |
| `connection` | how connections are made, and written to | issue 1038 (uvloop); reasons; cancelled starts | stays |
| `answers` | which errors a producer repeats | codes it does not know; sequence numbers | stays |
| `producer` | identity, transaction and sender of a producer | takeover of a transactional id | stays |
| `consumer` | positions, commits and tasks of a consumer | metadata of commits; fencing by generation | stays |
| `membership` | what a static member does when it is not known | ends whoever has lost its name | stays |
| `presence` | how a consumer waits for its topics | names the topics that are missing | aiokafka's own |

"Stays" is what no documented call of aiokafka can do: the dependency is pinned below the next minor version for these.
`VERSIONS` is the one gate of all others.
"""
