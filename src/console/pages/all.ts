import type { ConsolePage } from '../visit.ts';
import { device } from './device.ts';
import { devices } from './devices.ts';
import { overview } from './overview.ts';
import { tenants } from './tenants.ts';

/** Every page, in the order of the menu. A page is a file in this folder and its line here. */
export const pages: readonly ConsolePage[] = [overview, tenants, devices, device];
