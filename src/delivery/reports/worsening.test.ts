import { describe, expect, it } from 'vitest';
import { type ToldAndNow, worseningOf } from './worsening.ts';

const told = (state: 'managed' | 'notManaged', compliance?: 'compliant' | 'notCompliant') =>
  JSON.stringify([
    { DeviceManagementState: state },
    ...(compliance === undefined ? [] : [{ complianceStatus: compliance }]),
  ]);

const device = (
  sentContent: string | null,
  {
    compliant,
    managed = true,
    retracted = false,
  }: { compliant?: boolean; managed?: boolean; retracted?: boolean },
): ToldAndNow => ({ row: { sentContent, retracted }, content: { managed }, compliant });

describe('what becomes worse for the person at the Mac', () => {
  const good = told('managed', 'compliant');

  it('a managed Mac that is managed no more, whatever its verdict was', () => {
    expect(worseningOf(device(good, { managed: false, compliant: false }))).toBe('unmanaged');
    expect(worseningOf(device(told('managed', 'notCompliant'), { managed: false }))).toBe('unmanaged');
    // Where Intune makes the verdict, none was told.
    expect(worseningOf(device(told('managed'), { managed: false }))).toBe('unmanaged');
  });

  it('a compliant Mac that is compliant no more', () => {
    expect(worseningOf(device(good, { compliant: false }))).toBe('not-compliant');
  });

  it('nothing that stays as it is, or gets better', () => {
    expect(worseningOf(device(good, { compliant: true }))).toBeUndefined();
    expect(worseningOf(device(told('managed', 'notCompliant'), { compliant: false }))).toBeUndefined();
    expect(worseningOf(device(told('notManaged', 'notCompliant'), { managed: false }))).toBeUndefined();
    expect(worseningOf(device(told('notManaged', 'notCompliant'), { compliant: true }))).toBeUndefined();
    expect(worseningOf(device(told('notManaged', 'notCompliant'), { compliant: false }))).toBeUndefined();
  });

  it('nothing that Intune never heard of', () => {
    expect(worseningOf(device(null, { managed: false, compliant: false }))).toBeUndefined();
  });

  it('nothing that an operator retracts', () => {
    expect(worseningOf(device(good, { managed: false, retracted: true }))).toBeUndefined();
  });
});
