//! A Unix socket in a directory, whatever the length of the directory's path, and who speaks at
//! its other end.
//!
//! A socket's address holds 107 octets of a path. A longer one is opened through its directory.

use std::fs::{self, File, Permissions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The engine's admin socket in its data directory.
pub const ADMIN_SOCKET: &str = "admin.sock";
/// Octets of a path that a socket's address holds beside the zero at its end (unix(7)).
const PATH_OCTETS_MAX: usize = 107;
/// Octets of the list of users that are looked at.
const USERS_OCTETS_MAX: u64 = 4 << 20;

/// Listens on a socket in `directory` that this user alone may connect to. One that a dead process
/// has left there is replaced: the caller holds the directory's lock.
///
/// # Errors
/// What the system said; `AlreadyExists` when something else than a socket has the name.
pub fn listen(directory: &Path, name: &str) -> Result<UnixListener> {
    match fs::symlink_metadata(directory.join(name)) {
        Ok(standing) if standing.file_type().is_socket() => remove(directory, name),
        Ok(_) => return Err(ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = through(directory, name, |path| UnixListener::bind(path))?;
    fs::set_permissions(directory.join(name), Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to the socket in `directory`.
///
/// # Errors
/// What the system said: `NotFound` and `ConnectionRefused` where nobody listens.
pub fn connect(directory: &Path, name: &str) -> Result<UnixStream> {
    through(directory, name, |path| UnixStream::connect(path))
}

/// Takes the socket's name away; one that is gone already is no failure.
pub fn remove(directory: &Path, name: &str) {
    let _ = fs::remove_file(directory.join(name));
}

/// Calls `act` with a path to the socket that an address can hold.
fn through<T>(directory: &Path, name: &str, act: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let path = directory.join(name);
    if path.as_os_str().len() <= PATH_OCTETS_MAX {
        return act(&path);
    }
    let opened = File::open(directory)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())).join(name);
    if !Path::new("/proc/self/fd").exists() {
        let why = format!("a path of more than {PATH_OCTETS_MAX} octets needs /proc to be mounted");
        return Err(Error::other(why));
    }
    act(&short)
}

/// The name of this user, by the host's own list; `None` where it has none there.
pub fn user_name(uid: u32) -> Option<String> {
    let mut text = String::new();
    let users = File::open("/etc/passwd").ok()?;
    users.take(USERS_OCTETS_MAX).read_to_string(&mut text).ok()?;
    name_in(&text, uid)
}

fn name_in(users: &str, uid: u32) -> Option<String> {
    let of_line = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    };
    users.lines().find_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_socket_is_reached_however_long_its_path_is_and_by_its_owner_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        for depth in [0, 1, 4] {
            let deep =
                (0..depth).fold(directory.path().to_owned(), |path, _| path.join("x".repeat(60)));
            fs::create_dir_all(&deep).expect("writable");
            assert!(connect(&deep, "s").is_err_and(|error| error.kind() == ErrorKind::NotFound));
            let listener = listen(&deep, "s").expect("a socket");
            let mode = fs::metadata(deep.join("s")).expect("it stands").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let mut client = connect(&deep, "s").expect("it listens");
            client.write_all(b"x").expect("taken");
            let (mut server, _) = listener.accept().expect("a client");
            let mut octet = [0];
            server.read_exact(&mut octet).expect("an octet");
            drop(listener);
            let refused = connect(&deep, "s").expect_err("nobody listens");
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            drop(listen(&deep, "s").expect("what a dead process left is replaced"));
            remove(&deep, "s");
            fs::write(deep.join("s"), "mine").expect("writable");
            let refused = listen(&deep, "s").expect_err("no socket of ours");
            assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        }
    }

    #[test]
    fn users_are_found_by_their_number() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\n\nbad line\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(name_in(users, 1000).as_deref(), Some("ada"));
        assert_eq!(name_in(users, 0).as_deref(), Some("root"));
        assert_eq!(name_in(users, 7), None);
    }
}
