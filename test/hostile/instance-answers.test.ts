import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LaneScene, openCaller, startLaneScene } from '../harness/lane-scene.ts';
import { answerRows, planted } from './instance-answers.ts';

/** What an instance sends beside its answer reaches nobody: not its caller, and never the next one. */
describe('answers of an instance', () => {
  let scene: LaneScene;
  let devices: readonly string[];
  beforeAll(async () => {
    scene = await startLaneScene();
    devices = [await scene.device(), await scene.device()];
  });
  afterAll(() => scene?.close());

  async function ask(port: number, device: string) {
    const caller = await openCaller(port);
    const path = `/t/${scene.tenantId}/devices/${device}/compliance`;
    caller.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${scene.token()}\r\n\r\n`);
    await caller.until(1);
    caller.socket.destroy();
    return { text: caller.text(), answer: caller.answers()[0] };
  }

  describe.each(['lane', 'plain'] as const)('by the %s listener', (way) => {
    it.each(answerRows)('$attack: $outcome', async ({ bytes, hasSurplus, later, outcome }) => {
      const sockets: Socket[] = [];
      scene.answer = (socket) => {
        sockets.push(socket);
        if (sockets.length === 1) {
          socket.write(bytes, 'latin1');
          if (later !== undefined) setTimeout(() => socket.write(later, 'latin1'), 15);
        } else
          socket.write(
            'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"next":2}',
          );
      };
      const [one, other] = devices as [string, string];
      const first = await ask(scene[way], one);
      if (later !== undefined) await new Promise((resolve) => setTimeout(resolve, 40));
      const second = await ask(scene[way], other);
      expect(first.text + second.text).not.toContain(planted);
      expect(second.answer).toMatchObject({ status: 200, body: '{"next":2}' });
      if (outcome === 'broken') expect(first.answer ?? { broken: '' }).toHaveProperty('broken');
      else if (outcome === 'refused')
        expect(JSON.parse((first.answer as { body: string }).body).type).toMatch(/\/instance-error$/);
      else if (outcome === 'empty') expect(first.answer).toMatchObject({ body: '' });
      else expect(first.answer).toMatchObject({ status: 200, body: '{"own":1}' });
      if (hasSurplus) expect(sockets[1]).not.toBe(sockets[0]);
    });
  });
});
