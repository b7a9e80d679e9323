import mime from 'mime/lite'

/** By the ending of the name; `application/octet-stream` where that says nothing. */
export function mimeTypeOf(name: string): string {
  return mime.getType(name) ?? 'application/octet-stream'
}
