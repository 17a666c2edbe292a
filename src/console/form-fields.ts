import { html } from 'hono/html';
import type { Html } from '../gateway/page-layout.ts';
import type { ApiProblem } from './api.ts';
import { type Choice, none } from './parts.ts';

/** Fields of a form whose faults the API names: each fault stands beside the field that it is about. */

export interface FieldsOf {
  /** What was typed, to be shown again. */
  readonly form: URLSearchParams;
  readonly problem: ApiProblem | undefined;
}

export interface Field {
  /** As the API calls it, such as `landing.customUrl`. */
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
}

const faultsOf = ({ problem }: FieldsOf, name: string): string[] =>
  (problem?.errors ?? [])
    .filter(({ field }) => field === name || field?.startsWith(`${name}.`) === true)
    .map(({ description }) => description);

/** What ties an input to its hint and its faults for a screen reader. */
function described(of: FieldsOf, { hint, name }: Field): { readonly attributes: Html; readonly below: Html } {
  const faults = faultsOf(of, name);
  const hintId = `hint-${name}`;
  const faultId = `fault-${name}`;
  const ids = [...(hint === undefined ? [] : [hintId]), ...(faults.length === 0 ? [] : [faultId])].join(' ');
  return {
    attributes: html`${ids === '' ? none : html` aria-describedby="${ids}"`}${faults.length === 0 ? none : html` aria-invalid="true"`}`,
    below: html`${hint === undefined ? none : html`<small id="${hintId}" class="quiet">${hint}</small>`}
      ${faults.length === 0 ? none : html`<small id="${faultId}" class="fault">It ${faults.join(', and ')}.</small>`}`,
  };
}

export function textField(
  of: FieldsOf,
  field: Field & { readonly required?: boolean; readonly secret?: boolean; readonly type?: 'url' },
): Html {
  const { attributes, below } = described(of, field);
  const type = field.secret === true ? 'password' : (field.type ?? 'text');
  // A secret is never sent back to the browser.
  const value = field.secret === true ? '' : (of.form.get(field.name) ?? '');
  return html`<label>${field.label}
    <input name="${field.name}" type="${type}" value="${value}" autocomplete="off" spellcheck="false"${field.required === true ? html` required` : none}${attributes} />
    ${below}
  </label>`;
}

export function choiceField(
  of: FieldsOf,
  field: Field & { readonly choices: readonly Choice[]; readonly fallback: string },
): Html {
  const { attributes, below } = described(of, field);
  const chosen = of.form.get(field.name) ?? field.fallback;
  return html`<label>${field.label}
    <select name="${field.name}"${attributes}>${field.choices.map(
      ({ label, value }) =>
        html`<option value="${value}"${value === chosen ? html` selected` : none}>${label}</option>`,
    )}</select>
    ${below}
  </label>`;
}
