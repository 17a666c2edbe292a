import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { startTraffic, type TrafficOptions } from './traffic.ts';

const port = parentPort!;
const traffic = await startTraffic(workerData as TrafficOptions);
port.postMessage('started');
await once(port, 'message');
port.postMessage(await traffic.stop());
