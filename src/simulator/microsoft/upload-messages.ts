import { isRecord } from './context.ts';
import { type IntuneRequest, odataError, readJson } from './intune-request.ts';
import type { UploadMessage } from './intune-state.ts';
import { connectionRefusal } from './partner-lifecycle.ts';
import { answerPoison, findPoison } from './upload-poison.ts';
import { isUtcTimestamp } from './utc-timestamp.ts';

/** An `ErrorCode` in an HTTP 200 that means accepted: domain/microsoft.md 4.4. */
const accepts = (code: number | string): boolean => code === 0 || code === 202 || code === '202';

const refusedCode = 403;

/** Version 1.1 takes an array, 1.2 the same array as a JSON string; each refuses the other's form. */
function readContent(content: unknown, apiVersion: string): Record<string, unknown>[] | undefined {
  let entities: unknown = content;
  if (apiVersion === '1.2') {
    if (typeof content !== 'string') return undefined;
    try {
      entities = JSON.parse(content);
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
  return Array.isArray(entities) && entities.every(isRecord) ? entities : undefined;
}

function answerInBody(
  request: IntuneRequest,
  messageId: string,
  error: { code: number | string; detail: string | null },
): Response {
  const { c, tenant } = request;
  return c.json({
    TenantId: tenant.tenantId,
    ErrorCode: error.code,
    ErrorDetail: error.detail,
    MessageId: messageId,
  });
}

function answerAccepted(request: IntuneRequest, messageId: string): Response {
  const { c, settings, apiVersion, serviceUri } = request;
  switch (settings.answerStyle) {
    case 'json':
      return answerInBody(request, messageId, {
        code: settings.uploadErrorCode ?? (apiVersion === '1.1' ? 0 : 202),
        detail: settings.uploadErrorDetail,
      });
    case 'no-content':
      return c.body(null, 204, {
        location: `${serviceUri}/DataUploadMessages(guid'${messageId}')?api-version=${apiVersion}`,
      });
    case 'empty':
      return c.body('', 200);
  }
}

/** `PUT DataUploadMessages(guid'{message}')`: domain/microsoft.md 4.4 and 11.14. */
async function put(request: IntuneRequest, messageId: string): Promise<Response> {
  const { c, cloud, tenant, settings, token, apiVersion, processor } = request;
  const body = await readJson(c);
  if (!isRecord(body)) return odataError(c, 400, 'BadRequest', 'The body is not a JSON object.');
  if (typeof body.TenantId !== 'string' || body.TenantId.toLowerCase() !== tenant.tenantId.toLowerCase()) {
    return odataError(c, 403, 'Forbidden', "TenantId does not match the token's tenant.");
  }
  if (!isUtcTimestamp(body.UploadTime)) {
    return odataError(c, 400, 'BadRequest', 'UploadTime must be an ISO 8601 UTC time.');
  }
  const entities = readContent(body.Content, apiVersion);
  if (!entities) {
    const form = apiVersion === '1.2' ? 'a JSON string of an array' : 'an array';
    return odataError(c, 400, 'BadRequest', `Content must be ${form} in api-version ${apiVersion}.`);
  }
  tenant.counters.received += 1;
  c.set('note', { messageId, entities: entities.length });
  const now = cloud.world.clock.now();
  const countRefused = (): void => {
    tenant.counters.refused += 1;
    tenant.ledger.refuse(messageId, now);
  };
  const refusal = connectionRefusal(tenant, settings, token.appId);
  if (refusal !== undefined) {
    countRefused();
    if (settings.refusalStyle === 'http') return odataError(c, 403, 'Forbidden', refusal);
    return answerInBody(request, messageId, { code: refusedCode, detail: refusal });
  }
  if (settings.uploadErrorCode !== null && !accepts(settings.uploadErrorCode)) {
    countRefused();
    const detail = settings.uploadErrorDetail ?? 'The upload was refused.';
    return answerInBody(request, messageId, { code: settings.uploadErrorCode, detail });
  }
  const poison = findPoison(entities, settings);
  if (poison !== undefined) {
    countRefused();
    return answerPoison(c, poison, { messageId, tenantId: tenant.tenantId });
  }
  const before = tenant.messages.get(messageId);
  if (before) tenant.counters.replayed += 1;
  const message: UploadMessage = {
    messageId,
    apiVersion,
    receivedAt: new Date(now).toISOString(),
    uploadTime: body.UploadTime,
    entities,
    attempts: (before?.attempts ?? 0) + 1,
    status: 'pending',
    errorDetail: null,
  };
  tenant.messages.set(messageId, message);
  tenant.counters.accepted += 1;
  tenant.counters.acceptedEntities += entities.length;
  const taken = { arrivedAt: c.get('arrivedAt'), takenAt: now, again: before !== undefined };
  tenant.ledger.take(message, taken, settings.entityTypes);
  processor.accept(token.tenant, message);
  return answerAccepted(request, messageId);
}

function get(request: IntuneRequest, messageId: string): Response {
  const { c, tenant, settings, serviceUri } = request;
  const message = tenant.messages.get(messageId);
  c.set('note', { messageId, status: message?.status });
  if (!message) return odataError(c, 404, 'NotFound', `Message ${messageId} was not found.`);
  return c.json({
    'odata.metadata': `${serviceUri}/$metadata#DataUploadMessages/@Element`,
    MessageId: messageId,
    TenantId: tenant.tenantId,
    Status: message.status === 'pending' ? settings.pendingStatus : message.status,
    ErrorDetail: message.errorDetail,
  });
}

/** DataUploadMessages, one message by its key. */
export async function handleUploads(request: IntuneRequest): Promise<Response> {
  const { c, key, action } = request;
  if (key === undefined || action !== undefined) {
    return odataError(c, 404, 'NotFound', 'DataUploadMessages are addressed by their id.');
  }
  if (c.req.method === 'PUT') return put(request, key);
  if (c.req.method === 'GET') return get(request, key);
  return odataError(c, 405, 'MethodNotAllowed', 'GET or PUT.');
}
