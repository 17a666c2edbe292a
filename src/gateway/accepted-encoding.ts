/** Whether a caller takes gzip (RFC 9110, section 12.5.3). Browsers all do, and name it; `*` is not looked at. */
export function takesGzip(acceptEncoding: string | null | undefined): boolean {
  return (acceptEncoding ?? '').split(',').some((one) => {
    const [coding = '', ...parameters] = one.split(';');
    return /^\s*gzip\s*$/i.test(coding) && !parameters.some((text) => /^\s*q=0(?:\.0*)?\s*$/i.test(text));
  });
}
