/** The look of the pages in `page-layout.ts`, and the policy that allows them this style and nothing else. */

/** Its digest is in the policy below, so a changed rule needs a changed digest: page-style.test.ts prints it. */
export const style = `
:root { color-scheme: light dark; --ink: #1b2620; --quiet: #4a5a51; --paper: #f3f6f3; --card: #fff; --line: #cfdad2; --accent: #1c5d3a; --on-accent: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eee9; --quiet: #b3c0b7; --paper: #121713; --card: #1b221d; --line: #38453c; --accent: #8fd6ab; --on-accent: #0e1a13; } }
* { box-sizing: border-box; }
body { margin: 0; font: 1.0625rem/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
main { max-width: 38rem; margin: 8vh auto; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem; overflow-wrap: anywhere; }
h1 { margin: 0 0 1rem; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 1.75rem 0 0.5rem; font-size: 1.1rem; }
p { margin: 0 0 1rem; }
ol, ul { margin: 0; padding-left: 1.4rem; }
li { margin: 0 0 0.5rem; }
.choices { padding: 0; list-style: none; }
.choices a { display: block; padding: 0.75rem 1rem; border: 1px solid var(--line); border-radius: 0.5rem; color: var(--accent); font-weight: 600; text-decoration: none; }
.choices a:hover { border-color: var(--accent); text-decoration: underline; }
.choices small { display: block; color: var(--quiet); font-size: 0.875rem; font-weight: 400; }
.actions { display: flex; flex-wrap: wrap; gap: 0.75rem; margin: 1.5rem 0 0; }
.actions a { padding: 0.6rem 1.1rem; border: 1px solid var(--accent); border-radius: 0.5rem; color: var(--accent); text-decoration: none; }
.actions .main { background: var(--accent); color: var(--on-accent); }
.actions a:hover { text-decoration: underline; }
a:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
form { margin: 1.5rem 0 0; }
button { padding: 0.6rem 1.1rem; font: inherit; color: var(--accent); background: transparent; border: 1px solid var(--accent); border-radius: 0.5rem; cursor: pointer; }
button.main { background: var(--accent); color: var(--on-accent); }
.key { margin: 0; display: grid; gap: 0.5rem; justify-items: start; }
.key input { width: 100%; padding: 0.55rem 0.7rem; font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--quiet); border-radius: 0.5rem; }
.key input:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
.key p { margin: 0; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0.25rem 1rem; margin: 1.5rem 0 0; padding: 1rem 0 0; border-top: 1px solid var(--line); }
dt { color: var(--quiet); }
dd { margin: 0; }
.note { margin: 0.75rem 0 0; color: var(--quiet); }
.languages { margin: 2rem 0 0; font-size: 0.9375rem; }
.languages a, .languages button { color: var(--accent); }
.languages form { margin: 0; }
.languages button { padding: 0; border: 0; border-radius: 0; text-decoration: underline; }
@media (max-width: 40rem) { main { margin: 0; min-height: 100vh; padding: 1.5rem; border: 0; border-radius: 0; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.5rem; } }
@media print { :root { color-scheme: light; --ink: #000; --quiet: #333; --paper: #fff; --card: #fff; --line: #999; --accent: #000; } main { margin: 0; padding: 0; border: 0; max-width: none; min-height: 0; } .languages, .actions, form, .key { display: none; } }
`;
export const styleSha256 = 'sha256-bFPYTmTil11CXqQ2+B3ZqbyDUcSfRnyFTzGxlNWmvCk=';

/** `forms`: where the page's forms may lead. */
export const pagePolicy = (forms: 'none' | 'self'): string =>
  `default-src 'none'; style-src '${styleSha256}'; base-uri 'none'; form-action '${forms}'; frame-ancestors 'none'`;
