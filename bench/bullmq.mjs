// BullMQ beside our queue: adds so many jobs in batches, does them with an empty handler, and says how long that took.
// node bench/bullmq.mjs FOLDER PORT JOBS BATCH AT_ONCE, where FOLDER holds node_modules with bullmq.
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, port, jobs, batch, concurrency] = process.argv.slice(2);
const { Queue, Worker } = createRequire(join(folder, "package.json"))("bullmq");
const count = Number(jobs);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const queue = new Queue("bench", { connection });
await queue.waitUntilReady();

let done = 0;
let finished;
const all = new Promise((resolve) => (finished = resolve));
const worker = new Worker("bench", async () => {}, { connection, concurrency: Number(concurrency), autorun: false });
worker.on("completed", () => (done += 1) === count && finished());
await worker.waitUntilReady();

const started = performance.now();
const used = process.cpuUsage();
for (let first = 0; first < count; first += Number(batch)) {
  const several = Math.min(Number(batch), count - first);
  const adding = Array.from({ length: several }, (_, place) => ({
    name: "bench",
    data: { id: String(first + place) },
    opts: { removeOnComplete: true, attempts: 8 },
  }));
  await queue.addBulk(adding);
  if (first === 0) worker.run();
}
await all;
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(used);
console.log(JSON.stringify({ done, seconds, processor: (user + system) / 1e6 }));
await worker.close();
await queue.close();
