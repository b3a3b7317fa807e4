/** Whether a text from outside is the name of a file in one folder, and no way out of that folder. */
export function isFileName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.()+-]{0,200}$/.test(name) && !name.includes('..')
}
