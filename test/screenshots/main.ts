import { parseArgs } from 'node:util';
import { browserPath } from '../harness/chromium.ts';
import { adminOrigin } from '../harness/console.ts';
import { takePictures } from './pictures.ts';
import { startScene } from './scene.ts';
import { fillShowroom } from './seed.ts';

/** `npm run docs:screenshots`: the pictures of docs/console.md. Exit 0 taken or no browser, 1 not, 2 usage. */

const usage = `npm run docs:screenshots -- [--only name] [--look]
  --only name   this picture alone, such as overview
  --look        takes none: shows the address and a key, and goes on until Ctrl-C`;

/** Rejects with the first signal, so that everything that was started is stopped. */
const interruption = (): Promise<never> =>
  new Promise((_, reject) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(name, () => reject(new Error(`stopped by ${name}`)));
  });

interface Options {
  readonly only?: string | undefined;
  readonly look?: boolean | undefined;
}

async function run({ look, only }: Options): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const work = async (): Promise<void> => {
    const scene = await startScene(stack);
    const showroom = await fillShowroom(scene);
    if (look !== true) return takePictures(showroom, only);
    console.log(
      JSON.stringify({
        origin: adminOrigin(scene),
        key: showroom.mara.key,
        moveId: showroom.moveId,
        approvalId: showroom.approvalId,
        beginning: showroom.beginning,
        disputedDeviceId: showroom.disputedDeviceId,
        customers: Object.fromEntries(
          [...showroom.customers].map(([name, { instances, tenantId }]) => [
            name,
            { tenantId, instances: Object.fromEntries(instances) },
          ]),
        ),
      }),
    );
    return interruption();
  };
  await Promise.race([work(), interruption()]);
}

function readOptions(): Options | undefined {
  try {
    return parseArgs({ options: { only: { type: 'string' }, look: { type: 'boolean' } } }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return undefined;
  }
}

const options = readOptions();
if (options === undefined) process.exitCode = 2;
else if (browserPath === undefined) console.log('No chromium is installed: no screenshot is taken.');
else await run(options);
