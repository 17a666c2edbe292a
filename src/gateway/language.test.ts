import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseLanguage, languageOf, languages } from './language.ts';

describe('the language', () => {
  test.each([
    ['no header', undefined, 'en'],
    ['an empty header', '', 'en'],
    ['French', 'fr', 'fr'],
    ['a French region', 'fr-CA', 'fr'],
    ['capitals', 'FR-ca', 'fr'],
    ['what a French Mac sends', 'fr-FR,fr;q=0.9,en;q=0.8', 'fr'],
    ['what an English Mac with French sends', 'en-GB,en;q=0.9,fr;q=0.8', 'en'],
    ['the higher weight, though it comes later', 'en;q=0.3, fr;q=0.7', 'fr'],
    ['the first of two equals', 'fr;q=0.5,en;q=0.5', 'fr'],
    ['the first of two equals, the other way', 'en,fr', 'en'],
    ['a language that we do not have, then French', 'de-DE,de;q=0.9,fr;q=0.2', 'fr'],
    ['none that we have', 'de,ja;q=0.5', 'en'],
    ['anything', '*', 'en'],
    ['anything but English', '*,en;q=0', 'fr'],
    ['anything, French less', 'fr;q=0.5,*', 'en'],
    ['French refused', 'fr;q=0', 'en'],
    ['both refused', 'fr;q=0,en;q=0', 'en'],
    ['white space', ' fr ; q = 0.9 ,\ten;q=0.8', 'fr'],
    ['a weight that is none is passed over', 'fr;q=2,en;q=0.1', 'en'],
    ['a weight with four digits is passed over', 'fr;q=0.9999,en;q=0.1', 'en'],
    ['a language whose name only begins so', 'fry,frr', 'en'],
    ['a region refused does not refuse the language', 'fr-CA;q=0,fr;q=0.6,en;q=0.5', 'fr'],
  ])('of %s', (_name, header, expected) => {
    expect(chooseLanguage(header)).toBe(expected);
  });

  test('is one of ours for any header, and the order of what we do not speak is without effect', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...languages), (noise, wanted) => {
        expect(languages).toContain(chooseLanguage(noise));
        expect(chooseLanguage(`de,${wanted};q=0.9,ja`)).toBe(wanted);
      }),
    );
  });
});

test('the address goes before the browser, where it names a language that there is', () => {
  const asked = (query: string) => languageOf(new URLSearchParams(query), 'fr');
  expect(['language=en', 'language=EN', 'language=de', 'language=', ''].map(asked)).toEqual([
    'en',
    'en',
    'fr',
    'fr',
    'fr',
  ]);
});
