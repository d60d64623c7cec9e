// aws-local-stepfunctions (npm), told and answering as benchmarks/peer/serving.py does: node FILE PACKAGE_FOLDER
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";

// The package asks for Node 22; this is all of it that Node 20 lacks.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((yes, no) => { resolve = yes; reject = no; });
  return { promise, resolve, reject };
};

const { StateMachine } = await import(pathToFileURL(join(process.argv[2], "build/main.node.esm.js")));

class Transient extends Error { constructor() { super("try again"); this.name = "Transient"; } }
class Boom extends Error { constructor() { super("never"); this.name = "Boom"; } }

let calls = 0;
const TASKS = {
  score: async (p) => ({ level: p.value / 100, model: "m1" }),
  flaky: async () => { if (++calls % 3) throw new Transient(); return { ok: 1 }; },
  bad: async () => { throw new Boom(); },
};

function machine(definition) {
  const taskResourceLocalHandlers = {}, retryIntervalOverrides = {};
  for (const [name, state] of Object.entries(definition.States)) {
    if (state.Type !== "Task") continue;
    taskResourceLocalHandlers[name] = TASKS[state.Resource.split(":").pop()];
    retryIntervalOverrides[name] = 0;
  }
  const made = new StateMachine(definition);
  return (input) => made.run(input, { overrides: { taskResourceLocalHandlers, retryIntervalOverrides } }).result;
}

function spent() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

const machines = {};

async function answer({ work, workload, seconds }) {
  const run = (machines[work] ??= machine(workload.definition));
  const output = await run(workload.input);
  if (!isDeepStrictEqual(output, workload.expect)) return { output };
  const before = spent();
  let count = 0, used = 0, batch = 1;
  while (count < 3 || used < seconds * 1e6) {
    for (let i = 0; i < batch; i++) await run(workload.input);
    count += batch;
    used = spent() - before;
    batch = Math.max(1, Math.min(batch * 2, Math.floor((count * (seconds * 1e6 - used)) / used)));
  }
  return { output, us: used / count, count };
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const found = await answer(asked).catch((error) => ({ error: `${error.name}: ${error.message}`.slice(0, 300) }));
  process.stdout.write(JSON.stringify(found) + "\n");
}
process.exit(0);
