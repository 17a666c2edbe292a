/** One object for a person: a line for each field, lists of objects as tables below. */

import { displayWidth, padTo, safeText } from './display-width.ts';
import { cellText, flatFields, isRow, type Row } from './fields.ts';
import { tableLines } from './table.ts';

const isTable = (value: unknown): value is readonly Row[] =>
  Array.isArray(value) && value.length > 0 && value.every(isRow);

const isList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 1 && value.every((one) => typeof one !== 'object');

const columnsOf = (rows: readonly Row[]) => {
  const fields = new Set(rows.flatMap((row) => flatFields(row).map(([path]) => path)));
  return [...fields].map((field) => ({ field, whole: /^id$|Id$|(^|\.)url$/.test(field) }));
};

const titled = (name: string, lines: readonly string[]): string[] => [
  '',
  `${name}:`,
  ...lines.map((line) => `  ${line}`),
];

export function recordLines(answer: Row, terminalWidth?: number): string[] {
  const fields = flatFields(answer);
  const plain = fields.filter(([, value]) => !isTable(value) && !isList(value));
  const width = plain.reduce((widest, [name]) => Math.max(widest, displayWidth(name)), 0);
  const inner = terminalWidth === undefined ? undefined : terminalWidth - 2;
  return [
    ...plain.map(([name, value]) => `${padTo(name, width)}  ${safeText(cellText(value))}`),
    ...fields.flatMap(([name, value]) => {
      if (isTable(value)) return titled(name, tableLines(columnsOf(value), value, inner));
      return isList(value)
        ? titled(
            name,
            value.map((one) => safeText(cellText(one))),
          )
        : [];
    }),
  ];
}

/** Steps of confirm, enable and test: every failed one with its cause, its remedy and who has to act, never cut. */
export function oneStepLines({ cause, detail, name, ok, owner, remedy }: Row): string[] {
  const said = typeof detail === 'string' && detail !== '' ? `: ${detail}` : '';
  const more = [
    ['cause', cause],
    ['remedy', remedy],
    ['who must act', owner],
  ].filter(([, value]) => typeof value === 'string' && value !== '');
  return [
    `${ok === true ? 'ok  ' : 'FAIL'}  ${cellText(name)}${said}`,
    ...(ok === true ? [] : more.map(([label, value]) => `      ${label}: ${value}`)),
  ].map(safeText);
}

export const eachStepLines = (answer: Row): string[] =>
  (Array.isArray(answer.steps) ? answer.steps.filter(isRow) : []).flatMap(oneStepLines);

export const verdictLine = (answer: Row): string =>
  answer.ok === true ? 'all steps are well' : 'not all steps are well';

export const stepLines = (answer: Row): string[] => [...eachStepLines(answer), verdictLine(answer)];
