// SPDX-License-Identifier: ISC
/**
 * Error numbers, with FreeBSD's values.
 *
 * Below the JavaScript face every call returns a result >= 0 or one of these numbers negated.
 */
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EBADF = 9;
export const ECHILD = 10;
export const EDEADLK = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const ENOTBLK = 15;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const ETXTBSY = 26;
export const EFBIG = 27;
export const ENOSPC = 28;
export const ESPIPE = 29;
export const EROFS = 30;
export const EMLINK = 31;
export const EPIPE = 32;
export const EDOM = 33;
export const ERANGE = 34;
export const EAGAIN = 35;
/** The same number as EAGAIN. */
export const EWOULDBLOCK = EAGAIN;
export const EINPROGRESS = 36;
export const EALREADY = 37;
export const ENOTSOCK = 38;
export const EDESTADDRREQ = 39;
export const EMSGSIZE = 40;
export const EPROTOTYPE = 41;
export const ENOPROTOOPT = 42;
export const EPROTONOSUPPORT = 43;
export const ESOCKTNOSUPPORT = 44;
export const EOPNOTSUPP = 45;
/** The same number as EOPNOTSUPP. */
export const ENOTSUP = EOPNOTSUPP;
export const EPFNOSUPPORT = 46;
export const EAFNOSUPPORT = 47;
export const EADDRINUSE = 48;
export const EADDRNOTAVAIL = 49;
export const ENETDOWN = 50;
export const ENETUNREACH = 51;
export const ENETRESET = 52;
export const ECONNABORTED = 53;
export const ECONNRESET = 54;
export const ENOBUFS = 55;
export const EISCONN = 56;
export const ENOTCONN = 57;
export const ESHUTDOWN = 58;
export const ETOOMANYREFS = 59;
export const ETIMEDOUT = 60;
export const ECONNREFUSED = 61;
export const ELOOP = 62;
export const ENAMETOOLONG = 63;
export const EHOSTDOWN = 64;
export const EHOSTUNREACH = 65;
export const ENOTEMPTY = 66;
export const EPROCLIM = 67;
export const EUSERS = 68;
export const EDQUOT = 69;
export const ESTALE = 70;
export const EREMOTE = 71;
export const EBADRPC = 72;
export const ERPCMISMATCH = 73;
export const EPROGUNAVAIL = 74;
export const EPROGMISMATCH = 75;
export const EPROCUNAVAIL = 76;
export const ENOLCK = 77;
export const ENOSYS = 78;
export const EFTYPE = 79;
export const EAUTH = 80;
export const ENEEDAUTH = 81;
export const EIDRM = 82;
export const ENOMSG = 83;
export const EOVERFLOW = 84;
export const ECANCELED = 85;
export const EILSEQ = 86;
export const ENOATTR = 87;
export const EDOOFUS = 88;
export const EBADMSG = 89;
export const EMULTIHOP = 90;
export const ENOLINK = 91;
export const EPROTO = 92;
export const ENOTCAPABLE = 93;
export const ECAPMODE = 94;
export const ENOTRECOVERABLE = 95;
export const EOWNERDEAD = 96;
export const EINTEGRITY = 97;

/** The highest error number. */
export const ELAST = EINTEGRITY;

type Row = readonly [number: number, name: string, text: string];

/** Row n - 1 is error n; a test checks it. */
export const ERRNO_TABLE: readonly Row[] = [
  [EPERM, "EPERM", "Not permitted: the caller lacks the right to do this."],
  [ENOENT, "ENOENT", "There is no such name, registration or file."],
  [ESRCH, "ESRCH", "There is no such process."],
  [EINTR, "EINTR", "The call was interrupted by a signal before it did anything."],
  [EIO, "EIO", "The device or the medium failed."],
  [ENXIO, "ENXIO", "The device does not exist, or it has no such operation."],
  [E2BIG, "E2BIG", "The argument list is too long."],
  [ENOEXEC, "ENOEXEC", "The file is not a program that can be run."],
  [EBADF, "EBADF", "The descriptor is not open, or not open for this use."],
  [ECHILD, "ECHILD", "The caller has no child to wait for."],
  [EDEADLK, "EDEADLK", "The lock was refused because it would never be granted."],
  [ENOMEM, "ENOMEM", "There is no memory left, or a limit on objects was reached."],
  [EACCES, "EACCES", "The permissions of the object forbid this access."],
  [EFAULT, "EFAULT", "The address is outside the caller's memory."],
  [ENOTBLK, "ENOTBLK", "A block device is needed here."],
  [EBUSY, "EBUSY", "The object is in use and cannot be taken now."],
  [EEXIST, "EEXIST", "The name or object already exists."],
  [EXDEV, "EXDEV", "Both names must be on one file system."],
  [ENODEV, "ENODEV", "The device does not offer this operation."],
  [ENOTDIR, "ENOTDIR", "A part of the path is not a directory."],
  [EISDIR, "EISDIR", "The object is a directory."],
  [EINVAL, "EINVAL", "An argument has a value that is not allowed."],
  [ENFILE, "ENFILE", "The table of open files of the whole system is full."],
  [EMFILE, "EMFILE", "The process has as many descriptors as it may have."],
  [ENOTTY, "ENOTTY", "The object does not know this control request."],
  [ETXTBSY, "ETXTBSY", "The program file is being executed or written."],
  [EFBIG, "EFBIG", "The file would grow beyond the largest size."],
  [ENOSPC, "ENOSPC", "There is no room left on the device."],
  [ESPIPE, "ESPIPE", "The object has no position to seek to."],
  [EROFS, "EROFS", "The file system may only be read."],
  [EMLINK, "EMLINK", "The object already has as many links as it may have."],
  [EPIPE, "EPIPE", "Nobody is left to read what was written."],
  [EDOM, "EDOM", "The argument is outside the domain of the function."],
  [ERANGE, "ERANGE", "The result does not fit, or the value is out of range."],
  [EAGAIN, "EAGAIN", "The call would have to wait, and was told not to."],
  [EINPROGRESS, "EINPROGRESS", "The operation was started and has not finished."],
  [EALREADY, "EALREADY", "The operation was already started before."],
  [ENOTSOCK, "ENOTSOCK", "The descriptor is not a socket."],
  [EDESTADDRREQ, "EDESTADDRREQ", "A destination address is needed."],
  [EMSGSIZE, "EMSGSIZE", "The message is too long to be one message."],
  [EPROTOTYPE, "EPROTOTYPE", "The protocol does not fit the type of socket."],
  [ENOPROTOOPT, "ENOPROTOOPT", "The protocol has no such option."],
  [EPROTONOSUPPORT, "EPROTONOSUPPORT", "The protocol is not supported."],
  [ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT", "The type of socket is not supported."],
  [EOPNOTSUPP, "EOPNOTSUPP", "The object does not support this operation."],
  [EPFNOSUPPORT, "EPFNOSUPPORT", "The protocol family is not supported."],
  [EAFNOSUPPORT, "EAFNOSUPPORT", "The address family is not supported by the protocol."],
  [EADDRINUSE, "EADDRINUSE", "The address is taken."],
  [EADDRNOTAVAIL, "EADDRNOTAVAIL", "The address cannot be assigned here."],
  [ENETDOWN, "ENETDOWN", "The network is down."],
  [ENETUNREACH, "ENETUNREACH", "There is no route to the network."],
  [ENETRESET, "ENETRESET", "The network dropped the connection when it was reset."],
  [ECONNABORTED, "ECONNABORTED", "The connection was given up on this side."],
  [ECONNRESET, "ECONNRESET", "The connection was given up by the other side."],
  [ENOBUFS, "ENOBUFS", "There is no buffer space left."],
  [EISCONN, "EISCONN", "The socket is already connected."],
  [ENOTCONN, "ENOTCONN", "The socket is not connected."],
  [ESHUTDOWN, "ESHUTDOWN", "The socket was shut down and cannot send any more."],
  [ETOOMANYREFS, "ETOOMANYREFS", "Too many references would have to be joined."],
  [ETIMEDOUT, "ETIMEDOUT", "The time ran out before anything happened."],
  [ECONNREFUSED, "ECONNREFUSED", "The other side refused the connection."],
  [ELOOP, "ELOOP", "The path goes through too many symbolic links."],
  [ENAMETOOLONG, "ENAMETOOLONG", "The name or path is too long."],
  [EHOSTDOWN, "EHOSTDOWN", "The host is down."],
  [EHOSTUNREACH, "EHOSTUNREACH", "There is no route to the host."],
  [ENOTEMPTY, "ENOTEMPTY", "The directory is not empty."],
  [EPROCLIM, "EPROCLIM", "The user has as many processes as allowed."],
  [EUSERS, "EUSERS", "There are too many users."],
  [EDQUOT, "EDQUOT", "The quota is used up."],
  [ESTALE, "ESTALE", "The handle names something that is gone."],
  [EREMOTE, "EREMOTE", "The path crosses too many remote mounts."],
  [EBADRPC, "EBADRPC", "The structure of the remote call is wrong."],
  [ERPCMISMATCH, "ERPCMISMATCH", "The version of the remote call protocol is wrong."],
  [EPROGUNAVAIL, "EPROGUNAVAIL", "The remote program is not available."],
  [EPROGMISMATCH, "EPROGMISMATCH", "The remote program has another version."],
  [EPROCUNAVAIL, "EPROCUNAVAIL", "The remote program has no such procedure."],
  [ENOLCK, "ENOLCK", "There are no file locks left."],
  [ENOSYS, "ENOSYS", "There is no such system call."],
  [EFTYPE, "EFTYPE", "The type or format of the file is wrong."],
  [EAUTH, "EAUTH", "The authentication failed."],
  [ENEEDAUTH, "ENEEDAUTH", "A credential is needed first."],
  [EIDRM, "EIDRM", "The identifier was removed."],
  [ENOMSG, "ENOMSG", "There is no message of the wanted type."],
  [EOVERFLOW, "EOVERFLOW", "The value does not fit into its data type."],
  [ECANCELED, "ECANCELED", "The operation was cancelled."],
  [EILSEQ, "EILSEQ", "The byte sequence is not a character."],
  [ENOATTR, "ENOATTR", "There is no such attribute."],
  [EDOOFUS, "EDOOFUS", "The program used the interface in a wrong way."],
  [EBADMSG, "EBADMSG", "The message is damaged."],
  [EMULTIHOP, "EMULTIHOP", "The path would need several hops."],
  [ENOLINK, "ENOLINK", "The link was cut."],
  [EPROTO, "EPROTO", "The protocol was violated."],
  [ENOTCAPABLE, "ENOTCAPABLE", "The descriptor does not carry the needed capability."],
  [ECAPMODE, "ECAPMODE", "The call is not allowed in capability mode."],
  [ENOTRECOVERABLE, "ENOTRECOVERABLE", "The state cannot be recovered."],
  [EOWNERDEAD, "EOWNERDEAD", "The former owner died."],
  [EINTEGRITY, "EINTEGRITY", "The integrity check failed."],
];

/** `errnoName(9)` is `"EBADF"`; a number that is no error gives `"ERRNO_<n>"`. */
export function errnoName(errno: number): string {
  return ERRNO_TABLE[errno - 1]?.[1] ?? `ERRNO_${errno}`;
}

/** One short sentence that says what the error means. */
export function errnoText(errno: number): string {
  return ERRNO_TABLE[errno - 1]?.[2] ?? `Unknown error ${errno}.`;
}
