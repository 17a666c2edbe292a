import { fileURLToPath } from 'node:url';
import { runDemo } from '../../src/cli/demo.ts';

/** `npm run demo:workers`: the demo with the Workers in place of `serve`, between the same simulators. */
process.exitCode = await runDemo({
  once: true,
  dataDir: '.espalier-demo-workers',
  gateway: fileURLToPath(new URL('./workers-gateway.ts', import.meta.url)),
});
