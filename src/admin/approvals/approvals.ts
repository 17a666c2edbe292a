import { createRoute } from '@hono/zod-openapi';
import { approvalsNow } from '../../store/approvals.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { answerList } from '../resource/resource.ts';
import { commonProblems, etag, jsonAnswer } from '../schemas.ts';
import { visibleTo } from '../scope.ts';
import { approval, approvalOf, approvalPath } from './approval.ts';

/** `/approvals`: what waits for a second operator, and what became of it. */

const tags = ['Approvals'];

const list = createRoute({
  method: 'get',
  path: '/api/v1/approvals',
  operationId: 'listApprovals',
  tags,
  summary: 'Requests that wait for a second operator or did, newest first',
  request: { query: approval.query },
  responses: { 200: jsonAnswer(approval.list, 'Approvals'), ...commonProblems },
});

const read = createRoute({
  method: 'get',
  path: '/api/v1/approvals/{approvalId}',
  operationId: 'getApproval',
  tags,
  summary: 'One approval, with what came of the request',
  request: { params: approvalPath },
  responses: { 200: jsonAnswer(approval.schema, 'Approval'), ...commonProblems },
});

export function addApprovals(app: AdminApp, services: Pick<AdminServices, 'sql' | 'turns'>): void {
  const { sql } = services;
  app.openapi(list, async (c) => {
    const scope = visibleTo(c.get('operator'), approvalsNow.tenantId);
    return answerList(c, await approval.page(services, c.req.valid('query'), scope));
  });

  app.openapi(read, async (c) => {
    const row = await approvalOf(c, sql);
    return c.json(approval.show(row), 200, { etag: etag(row.version) });
  });
}
