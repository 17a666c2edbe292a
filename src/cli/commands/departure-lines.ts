import type { Row } from '../output/fields.ts';
import { recordLines } from '../output/record.ts';

/** The account of a departure for people: what it waits for is told while it waits. */
export const departureLines = ({ waitsFor: _, ...rest }: Row): string[] => recordLines(rest);
