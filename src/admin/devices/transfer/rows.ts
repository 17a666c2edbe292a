import { maxComputerId, parseGuid } from '../../../ids.ts';
import type { ImportRow } from '../../../routing/imports/import-row.ts';

/** One row of an import, checked as PUT of a device checks its body (placing.ts). */

export const columns = [
  'deviceId',
  'instanceId',
  'jamfComputerId',
  'serialNumber',
  'udid',
  'pinned',
] as const;
export type Column = (typeof columns)[number];
export const requiredColumns: readonly Column[] = ['deviceId', 'instanceId', 'jamfComputerId'];

/** Undefined and null mean the same: not given. */
export type Values = Readonly<Partial<Record<Column, unknown>>>;

export interface Rejection {
  readonly line: number;
  readonly code: string;
  /** Undefined: it is about the line as a whole. */
  readonly field: Column | undefined;
  readonly description: string;
}

export const rejection = (line: number, code: string, description: string, field?: Column): Rejection => ({
  line,
  code,
  field,
  description,
});

export const isRejection = (row: ImportRow | Rejection): row is Rejection => 'code' in row;

const said = (value: unknown): boolean => value !== undefined && value !== null && value !== '';

type Fault = readonly [code: string, description: string];
const isFault = <T>(value: T | Fault): value is Fault => Array.isArray(value);

function guidOf(value: unknown): string | Fault {
  if (!said(value)) return ['MISSING_VALUE', 'is missing'];
  return (
    (typeof value === 'string' ? parseGuid(value.trim()) : undefined) ?? ['INVALID_GUID', 'must be a GUID']
  );
}

/** The few instances are named by a million rows: looked up before they are checked. */
const instanceOf = (value: unknown, instances: ReadonlySet<string>): string | Fault =>
  typeof value === 'string' && instances.has(value) ? value : guidOf(value);

function computerIdOf(value: unknown): number | Fault {
  if (!said(value)) return ['MISSING_VALUE', 'is missing'];
  const text = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : '';
  const id = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  return id >= 1 && id <= maxComputerId ? id : ['INVALID_COMPUTER_ID', 'must be the number of a computer'];
}

const maxTextCharacters = 100;

function textOf(value: unknown): string | null | Fault {
  if (!said(value)) return null;
  if (typeof value !== 'string') return ['INVALID_TEXT', 'must be text'];
  const text = value.trim();
  if (text === '') return null;
  if (text.length > maxTextCharacters)
    return ['INVALID_TEXT', `is longer than ${maxTextCharacters} characters`];
  if (text.includes('\0') || !text.isWellFormed()) return ['INVALID_TEXT', 'holds characters that are none'];
  return text;
}

const pinnedOf = (value: unknown): boolean | Fault =>
  said(value) ? (typeof value === 'boolean' ? value : ['INVALID_BOOLEAN', 'must be true or false']) : false;

/** Names the first fault of the row. `instances`: those of the tenant; another tenant's is as unknown as any. */
export function checkRow(
  line: number,
  values: Values,
  instances: ReadonlySet<string>,
): ImportRow | Rejection {
  const bad = (field: Column, [code, description]: Fault): Rejection =>
    rejection(line, code, description, field);
  const deviceId = guidOf(values.deviceId);
  if (isFault(deviceId)) return bad('deviceId', deviceId);
  const instanceId = instanceOf(values.instanceId, instances);
  if (isFault(instanceId)) return bad('instanceId', instanceId);
  if (!instances.has(instanceId))
    return bad('instanceId', ['UNKNOWN_INSTANCE', 'the tenant has no such instance']);
  const jamfComputerId = computerIdOf(values.jamfComputerId);
  if (isFault(jamfComputerId)) return bad('jamfComputerId', jamfComputerId);
  const serialNumber = textOf(values.serialNumber);
  if (isFault(serialNumber)) return bad('serialNumber', serialNumber);
  const udid = textOf(values.udid);
  if (isFault(udid)) return bad('udid', udid);
  const pinned = pinnedOf(values.pinned);
  if (isFault(pinned)) return bad('pinned', pinned);
  return { line, deviceId, instanceId, jamfComputerId, serialNumber, udid, pinned };
}
