import { parentPort, workerData } from 'node:worker_threads';
import { startTraffic, type TrafficOptions } from './traffic.ts';

const traffic = startTraffic(workerData as TrafficOptions);
parentPort?.once('message', async () => parentPort?.postMessage(await traffic.stop()));
