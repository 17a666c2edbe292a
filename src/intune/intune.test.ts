import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import { version } from '../version.ts';
import type { IntuneCall } from './call.ts';
import { putHeartbeat } from './heartbeat.ts';
import { putPartnerTenant } from './partner-tenants.ts';
import { getUpload, putUpload } from './uploads.ts';

let intune: Loopback;
beforeAll(async () => {
  intune = await startLoopback();
});
beforeEach(() => {
  intune.seen.length = 0;
});
afterAll(() => intune.close());

const call = (): IntuneCall => ({
  send: intune.send,
  service: `${intune.origin}/StatelessService`,
  accessToken: 'the-token',
  apiVersion: '1.2',
  clientRequestId: '11111111-2222-4333-8444-555555555555',
  timeoutMs: 300,
});
const guid = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const answer = (status: number, body?: unknown, headers: Record<string, string> = {}): void => {
  intune.handle = (_request, response) => {
    if (body === undefined) response.writeHead(status, headers).end();
    else if (typeof body === 'string') response.writeHead(status, headers).end(body);
    else sendJson(response, status, body, headers);
  };
};
const upload = () =>
  putUpload({ ...call(), messageId: guid, body: { TenantId: 't', UploadTime: 'now', Content: '[]' } });

describe('upload', () => {
  test('goes to the message with key, version, token, request id and preference', async () => {
    answer(200, { ErrorCode: 202 });
    expect(await upload()).toEqual({ outcome: 'accepted' });
    expect(intune.seen).toMatchObject([
      {
        method: 'PUT',
        url: `/StatelessService/DataUploadMessages(guid'${guid}')?api-version=1.2`,
        headers: {
          authorization: 'Bearer the-token',
          'content-type': 'application/json',
          prefer: 'return-content',
          'client-request-id': '11111111-2222-4333-8444-555555555555',
          'user-agent': `Espalier/${version}`,
        },
        body: '{"TenantId":"t","UploadTime":"now","Content":"[]"}',
      },
    ]);
  });

  test.each([
    ['ErrorCode 0', 200, { ErrorCode: 0 }],
    ['ErrorCode "0"', 200, { ErrorCode: '0' }],
    ['ErrorCode 202', 200, { ErrorCode: 202, ErrorDetail: null }],
    ['ErrorCode "202"', 200, { ErrorCode: '202' }],
    ['ErrorCode null', 200, { ErrorCode: null }],
    ['OperationLocation', 200, { OperationLocation: 'x' }],
    ['empty', 200, ''],
    ['204', 204, undefined],
    ['202', 202, {}],
  ])('accepted: %s', async (_name, status, body) => {
    answer(status, body);
    expect(await upload()).toEqual({ outcome: 'accepted' });
  });

  test.each([
    [{ ErrorCode: 404, ErrorDetail: 'Device not found' }, '404', 'Device not found'],
    [{ ErrorCode: '403', ErrorDetail: { a: 1 } }, '403', '{"a":1}'],
    [{ ErrorCode: 1 }, '1', 'ErrorCode 1'],
  ])('refused inside HTTP 200: %j', async (body, code, detail) => {
    answer(200, body);
    expect(await upload()).toEqual({ outcome: 'refused', code, detail, httpStatus: 200 });
  });

  test('refused by status, with the words of OData v3', async () => {
    answer(400, { 'odata.error': { code: 'BadRequest', message: { lang: 'en', value: 'bad Content' } } });
    expect(await upload()).toEqual({
      outcome: 'refused',
      code: 'BadRequest',
      detail: 'bad Content',
      httpStatus: 400,
    });
  });

  test.each([
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [404, 'not-found'],
    [408, 'unavailable'],
    [302, 'unavailable'],
    [500, 'unavailable'],
    [503, 'unavailable'],
  ])('%i is %s', async (status, outcome) => {
    answer(status, '<html>');
    expect(await upload()).toMatchObject({ outcome });
  });

  test('throttled, with and without a number', async () => {
    answer(429, 'Too Many Requests', { 'retry-after': '30' });
    expect(await upload()).toMatchObject({ outcome: 'throttled', retryAfterSeconds: 30 });
    answer(429);
    expect(await upload()).not.toHaveProperty('retryAfterSeconds');
    answer(503, '', { 'retry-after': '5' });
    expect(await upload()).toMatchObject({ outcome: 'unavailable', retryAfterSeconds: 5 });
  });

  test('unclear: silence, a broken connection, a broken body, a page with status 200', async () => {
    intune.handle = () => undefined;
    expect(await upload()).toMatchObject({ outcome: 'unclear' });
    intune.handle = (_request, response) => {
      response.socket?.destroy();
    };
    expect(await upload()).toMatchObject({ outcome: 'unclear' });
    intune.handle = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"Err');
      setTimeout(() => response.socket?.destroy(), 20);
    };
    expect(await upload()).toMatchObject({ outcome: 'unclear' });
    answer(200, '<html>sign in</html>');
    expect(await upload()).toMatchObject({ outcome: 'unclear' });
  });

  test('unavailable when nobody listens: nothing was sent', async () => {
    const result = await putUpload({
      ...call(),
      service: 'https://127.0.0.1:1/S',
      messageId: guid,
      body: { TenantId: 't', UploadTime: 'now', Content: [] },
    });
    expect(result).toMatchObject({ outcome: 'unavailable', transport: 'unreachable' });
  });
});

describe('status of an upload', () => {
  test.each([
    [{ Status: 'Completed', ErrorDetail: null }, { outcome: 'completed' }],
    [{ Status: 'completed' }, { outcome: 'completed' }],
    [
      { Status: 'Failed', ErrorDetail: 'EasIds' },
      { outcome: 'failed', detail: 'EasIds' },
    ],
    [
      { Status: 'Failed', ErrorDetail: { Code: 7 } },
      { outcome: 'failed', detail: '{"Code":7}' },
    ],
    [{ Status: 'Failed' }, { outcome: 'failed', detail: 'Intune gives no reason' }],
    [{ Status: 'InProgress' }, { outcome: 'pending', status: 'InProgress' }],
    [{}, { outcome: 'pending', status: 'absent' }],
    [
      { ErrorCode: 404, ErrorDetail: 'gone' },
      { outcome: 'unknown', detail: 'gone' },
    ],
    [{ ErrorCode: 500 }, { outcome: 'pending', status: 'ErrorCode 500' }],
  ])('%j', async (body, expected) => {
    answer(200, body);
    expect(await getUpload({ ...call(), messageId: guid })).toEqual(expected);
  });

  test('404 is an unknown message; a GET carries no body headers', async () => {
    answer(404, { 'odata.error': { code: 'NotFound', message: { value: 'Message was not found.' } } });
    expect(await getUpload({ ...call(), messageId: guid })).toEqual({
      outcome: 'unknown',
      detail: 'Message was not found.',
    });
    expect(intune.seen[0]?.headers).not.toHaveProperty('content-type');
  });

  test('other errors pass', async () => {
    answer(401);
    expect(await getUpload({ ...call(), messageId: guid })).toMatchObject({ outcome: 'unauthenticated' });
  });
});

describe('partner tenant', () => {
  const put = (provisioning: 'provisioned' | 'deprovisioned', remediationUrl?: string) =>
    putPartnerTenant({
      ...call(),
      apiVersion: '1.6',
      tenantId: guid,
      provisioning,
      enrollmentUrl: 'https://gw/enroll',
      ...(remediationUrl === undefined ? {} : { remediationUrl }),
    });

  test('provisions and deprovisions with the same addresses', async () => {
    answer(200, { HttpStatusCode: 200, ErrorDetail: null });
    expect(await put('provisioned', 'https://gw/remediate')).toEqual({ outcome: 'done' });
    expect(await put('deprovisioned')).toEqual({ outcome: 'done' });
    expect(intune.seen.map(({ url }) => url)[0]).toBe(
      `/StatelessService/PartnerTenants(guid'${guid}')?api-version=1.6`,
    );
    expect(intune.seen.map(({ body }) => JSON.parse(body))).toEqual([
      {
        Provisioned: 1,
        PartnerEnrollmentUrl: 'https://gw/enroll',
        PartnerRemediationUrl: 'https://gw/remediate',
      },
      { Provisioned: 2, PartnerEnrollmentUrl: 'https://gw/enroll' },
    ]);
  });

  test.each([
    [
      { HttpStatusCode: 400, ErrorDetail: 'bad url' },
      { outcome: 'refused', code: '400', detail: 'bad url' },
    ],
    [{ HttpStatusCode: 409 }, { outcome: 'refused', code: '409' }],
    [
      { HttpStatusCode: 200, ErrorDetail: 'not really' },
      { outcome: 'refused', detail: 'not really' },
    ],
    [{ HttpStatusCode: 'BadRequest' }, { outcome: 'refused', code: 'BadRequest' }],
    [
      { HttpStatusCode: 403, ErrorDetail: 'app' },
      { outcome: 'forbidden', detail: 'app' },
    ],
    [{ HttpStatusCode: '503' }, { outcome: 'unavailable', httpStatus: 503 }],
    [{ HttpStatusCode: '200', ErrorDetail: '' }, { outcome: 'done' }],
    [{}, { outcome: 'done' }],
  ])('HTTP 200 with %j', async (body, expected) => {
    answer(200, body);
    expect(await put('provisioned')).toMatchObject(expected);
  });
});

describe('heartbeat', () => {
  const beat = () => putHeartbeat({ ...call(), tenantId: guid, timestamp: '2026-11-23T00:00:00.000Z' });

  test('sends the time and gives resync and errors back as they are', async () => {
    answer(200, { ResyncTimestamp: '2026-11-22T00:00:00Z', MessageErrors: [{ x: 1 }], HttpStatusCode: 200 });
    expect(await beat()).toEqual({
      outcome: 'alive',
      resyncTimestamp: '2026-11-22T00:00:00Z',
      messageErrors: [{ x: 1 }],
    });
    expect(intune.seen[0]?.body).toBe('{"Timestamp":"2026-11-23T00:00:00Z"}');
  });

  test('an empty answer is alive, an error inside is not', async () => {
    answer(204);
    expect(await beat()).toEqual({ outcome: 'alive', resyncTimestamp: undefined, messageErrors: [] });
    answer(200, { HttpStatusCode: 400, ErrorDetail: 'terminated' });
    expect(await beat()).toMatchObject({ outcome: 'refused', detail: 'terminated' });
  });
});
