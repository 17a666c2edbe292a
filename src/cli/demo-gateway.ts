/**
 * The gateway of `espalier demo`, as a process of its own: `serve`, and a link that signs the demo's one person in. No
 * command, argument or variable leads here. The hash of the link comes from the parent process, over the channel that it
 * opened with this one; without such a parent there is nothing to run.
 */

import { createOneTimeLink } from '../admin/sign-in/one-time-link.ts';
import { linkTaken, readLinkOffer } from './demo-link.ts';
import { endWithReader, exitCodes } from './failure.ts';
import { serve } from './serve.ts';

if (process.send === undefined) {
  process.stderr.write('espalier: this file is started by "espalier demo" alone\n');
  process.exit(exitCodes.usage);
}
endWithReader();
const oneTimeLink = createOneTimeLink();
process.on('message', (message) => {
  const hash = readLinkOffer(message);
  if (hash === undefined) return;
  oneTimeLink.offer(hash);
  process.send?.(linkTaken);
});
// The channel alone keeps no process alive.
process.channel?.unref();
await serve({ listeners: true, oneTimeLink });
