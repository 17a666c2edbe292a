import { describe, expect, it } from 'vitest';
import { createTicketSecret, newTicketSecret, ticketKeys } from './node-ticket-keys.ts';

const of = { listener: 'data', cert: 'a certificate', clientCa: undefined };

describe('keys of session tickets', () => {
  const secret = newTicketSecret();
  it('are the same for the same secret and listener', () => {
    expect(ticketKeys(secret, of)).toEqual(ticketKeys(Buffer.from(secret), { ...of }));
    expect(ticketKeys(secret, of)).toHaveLength(48);
  });
  it.each([
    ['listener', { ...of, listener: 'admin' }],
    ['certificate', { ...of, cert: 'another certificate' }],
    ['authority of clients', { ...of, clientCa: 'an authority' }],
  ])('are others for another %s', (_, other) =>
    expect(ticketKeys(secret, other)).not.toEqual(ticketKeys(secret, of)),
  );
  it('are others after a rotation, which listeners hear of', () => {
    const known = createTicketSecret(secret);
    let changes = 0;
    known.onChange(() => {
      changes += 1;
    });
    known.set(newTicketSecret());
    expect(changes).toBe(1);
    expect(ticketKeys(known.current(), of)).not.toEqual(ticketKeys(secret, of));
  });
});
