//! The store of certificates that every app trusts, on a rooted phone. Since Android 14 apps have theirs from a module that each mount
//! namespace sees in its own way, so that the certificate is put into every namespace there is, and taken out of every one.
//! See `docs/guide/real-rig.md`.

use std::time::Duration;

use super::{
    client::{Adb, quoted},
    error::{AdbError, cut},
};
use crate::traffic::authority::Authority;

/// How root is had on this phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    /// The shell has it.
    Already,
    /// By this command, before a shell's own words.
    By(&'static str),
}

/// Puts an authority where every app looks, and reads that back in every mount namespace. Doing it twice does no harm.
///
/// # Errors
/// [`AdbError::NoRoot`], and what the phone says.
pub(super) async fn install(adb: &Adb, authority: &Authority) -> Result<(), AdbError> {
    let what = "put the certificate into the phone's store";
    let name = quoted(&authority.android_name());
    let pem = authority.certificate_pem();
    let script = format!("name={name}\n{COMMON}\n{PREPARE}\ncat > \"$work/$name\" <<'END'\n{}\nEND\n{INSTALL}", pem.trim_end());
    as_root(adb, &script, what).await
}

/// Looks whether a process sees the authority where apps look.
///
/// # Errors
/// [`AdbError::NoRoot`], and what the phone says.
pub(super) async fn is_seen_by(adb: &Adb, file: &str, pid: u32) -> Result<bool, AdbError> {
    let what = "look whether the app sees the certificate";
    let script = format!(
        "name={}\n{COMMON}\nlook='{SEEN}'\nnsenter --mount=/proc/{pid}/ns/mnt -- sh -c \"$common; $look\" && echo seen; true",
        quoted(file)
    );
    Ok(run_as_root(adb, &script, what).await?.trim() == "seen")
}

/// Takes an authority out again, of every mount namespace. Tells whether it was in one.
///
/// # Errors
/// [`AdbError::NoRoot`], and what the phone says: one where it cannot be taken out.
pub(super) async fn withdraw(adb: &Adb, file: &str) -> Result<bool, AdbError> {
    let what = "take the certificate out of the phone's store";
    let script = format!("name={}\n{COMMON}\n{WITHDRAW}", quoted(file));
    Ok(run_as_root(adb, &script, what).await?.trim() != "nothing")
}

async fn as_root(adb: &Adb, script: &str, what: &str) -> Result<(), AdbError> {
    run_as_root(adb, script, what).await.map(drop)
}

async fn run_as_root(adb: &Adb, script: &str, what: &str) -> Result<String, AdbError> {
    let line = match root(adb, what).await? {
        Root::Already => script.to_owned(),
        Root::By(su) => format!("{su} {}", quoted(script)),
    };
    let answer = adb.script(&line, what, WITHIN).await?;
    if answer.status == 0 {
        return Ok(answer.stdout);
    }
    // The script's own statuses say where it gave up.
    let said = if answer.stderr.trim().is_empty() { "nothing".to_owned() } else { cut(&answer.stderr) };
    Err(AdbError::Refused { what: what.to_owned(), said: format!("{said} (status {})", answer.status) })
}

/// Whether this phone gives root at all.
///
/// # Errors
/// [`AdbError::NoRoot`].
pub(super) async fn needs_root(adb: &Adb) -> Result<(), AdbError> {
    root(adb, "put the certificate into the phone's store").await.map(drop)
}

/// Whether root is to be had.
///
/// # Errors
/// When the phone does not answer.
pub(super) async fn has_root(adb: &Adb) -> Result<bool, AdbError> {
    match root(adb, "ask for root").await {
        Ok(_) => Ok(true),
        Err(AdbError::NoRoot(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Emulators have `su root`, Magisk has `su -c`, and some of its versions a namespace of their own but for `-mm`.
async fn root(adb: &Adb, what: &str) -> Result<Root, AdbError> {
    let is_root = |answer: &str| answer.trim() == "root";
    if is_root(&adb.shell(&["whoami"], what).await?.stdout) {
        return Ok(Root::Already);
    }
    for su in ["su root sh -c", "su -mm -c", "su -c"] {
        if is_root(&adb.script(&format!("{su} whoami"), what, WITHIN).await?.stdout) {
            return Ok(Root::By(su));
        }
    }
    Err(AdbError::NoRoot(what.to_owned()))
}

/// A person may be asked on the phone whether this computer may have root; and every process is looked at.
const WITHIN: Duration = Duration::from_secs(60);

/// Where stores are; a copy of what they held, with ours; and a loop over one process of each mount namespace.
const COMMON: &str = r#"
common='sys=/system/etc/security/cacerts; apex=/apex/com.android.conscrypt/cacerts; work=/data/local/tmp/tattletale-ca; name='$name
eval "$common"
everywhere() {
  seen=" "
  for link in /proc/[0-9]*/ns/mnt; do
    space=$(readlink "$link" 2>/dev/null) || continue
    case "$seen" in *" $space "*) continue;; esac
    nsenter --mount="$link" -- sh -c "$common; $1"
    status=$?
    # A process that is gone meanwhile takes its namespace along, or has left it to others that are looked at.
    if [ $status -ne 0 ] && readlink "$link" >/dev/null 2>&1; then
      echo "process ${link#/proc/}: status $status" >&2
      return $status
    fi
    [ $status -eq 0 ] && seen="$seen$space "
  done
  return 0
}"#;

/// Copies what the phone trusts already.
const PREPARE: &str = r#"
mkdir -p "$work" && chmod 755 "$work" || exit 11
from=$sys; [ -d "$apex" ] && from=$apex
cp "$from"/* "$work"/ 2>/dev/null; true"#;

/// Puts the copy in the place of both stores, wherever ours is not seen yet.
const INSTALL: &str = r#"
chmod 644 "$work"/* && chown 0:0 "$work"/* || exit 12
put='
[ -d "$sys" ] || exit 0
if ! cmp -s "$work/$name" "$sys/$name"; then
  mount -t tmpfs tattletale "$sys" || exit 21
  cp "$work"/* "$sys"/ && chmod 755 "$sys" && chmod 644 "$sys"/* && chown 0:0 "$sys"/* || exit 22
  chcon -R u:object_r:system_file:s0 "$sys" 2>/dev/null || [ "$(getenforce 2>/dev/null)" != Enforcing ] || exit 23
fi
if [ -d "$apex" ] && ! cmp -s "$work/$name" "$apex/$name"; then
  mount -o bind "$sys" "$apex" || exit 24
  cmp -s "$work/$name" "$apex/$name" || exit 25
fi
cmp -s "$work/$name" "$sys/$name" || exit 26'
everywhere "$put""#;

/// Whether ours is where apps look.
const SEEN: &str = r#"store=$sys; [ -d "$apex" ] && store=$apex; cmp -s "$work/$name" "$store/$name""#;

/// Takes away what was mounted, then the copy. Says `nothing` where there was none.
const WITHDRAW: &str = r#"
[ -d "$work" ] || there=no
take='
for store in "$apex" "$sys"; do
  times=0
  while [ -e "$store/$name" ]; do
    umount -l "$store" 2>/dev/null || exit 31
    times=$((times + 1)); [ $times -gt 9 ] && exit 32
  done
done
true'
everywhere "$take" || exit $?
left='[ ! -e "$sys/$name" ] && [ ! -e "$apex/$name" ]'
everywhere "$left" || exit $?
rm -rf "$work"
[ "$there" = no ] && echo nothing; true"#;
