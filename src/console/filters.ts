import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import type { Api } from './api.ts';
import { select } from './parts.ts';

/** Filters of a list: a form whose fields are in the address, and the filter of the API that they mean. */

/** A value as RSQL takes it, whatever stands in it. */
const quoted = (value: string): string => `"${value.replaceAll(/["\\]/g, '\\$&')}"`;

/** `field`, operator, value; what is empty asks for nothing. Undefined: no filter. */
export function filterOf(
  conditions: readonly (readonly [field: string, operator: '==' | '>=' | '<=', value: string | null])[],
): string | undefined {
  const given = conditions.flatMap(([field, operator, value]) =>
    value === null || value.trim() === '' ? [] : [`${field}${operator}${quoted(value.trim())}`],
  );
  return given.length === 0 ? undefined : given.join(';');
}

/** The page with these filters; an empty field of it asks for nothing. */
export const filterForm = (content: readonly Html[]): Html =>
  html`<form class="filters" role="search" aria-label="Filter the list">${content}<span class="actions"><button>Show</button> <a href="?">Clear</a></span></form>`;

export const textFilter = (query: URLSearchParams, name: string, label: string, placeholder = ''): Html =>
  html`<label>${label} <input name="${name}" value="${query.get(name) ?? ''}" placeholder="${placeholder}" autocomplete="off" /></label>`;

/** A time that the browser asks for in its own way; it is UTC. */
export const timeFilter = (query: URLSearchParams, name: string, label: string): Html =>
  html`<label>${label}, UTC <input name="${name}" type="datetime-local" value="${query.get(name) ?? ''}" /></label>`;

/** What such a field says, as the API takes it. */
export const instantOf = (text: string | null): string | null => {
  const at = Date.parse(`${text ?? ''}Z`);
  return Number.isNaN(at) ? text : new Date(at).toISOString();
};

const offered = 500;

/** By name where there are few enough to choose from, else by id with the first names offered. */
export async function tenantFilter(api: Api, query: URLSearchParams): Promise<Html> {
  const { results, totalCount } = await api.get<{
    totalCount: number;
    results: readonly { id: string; displayName: string }[];
  }>('/tenants', { 'page-size': offered, sort: 'displayName:asc' });
  const chosen = query.get('tenant') ?? '';
  const choices = [
    { value: '', label: 'Every tenant' },
    ...results.map(({ displayName, id }) => ({ value: id, label: displayName })),
  ];
  if (totalCount <= offered)
    return select(
      'tenant',
      'Tenant',
      choices.some(({ value }) => value === chosen)
        ? choices
        : [...choices, { value: chosen, label: chosen }],
      chosen,
    );
  return html`<label>Tenant <input name="tenant" value="${chosen}" list="tenants" placeholder="Id of the tenant" autocomplete="off" /></label>
  <datalist id="tenants">${results.map(({ displayName, id }) => html`<option value="${id}">${displayName}</option>`)}</datalist>`;
}
