/** `1 waiting message was`, `3 waiting messages were`. */
export function messages(count: number): string {
  return count === 1 ? '1 waiting message was' : `${count} waiting messages were`
}
