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
    let script = format!("name={name}\n{COMMON}\n{PREPARE}\ncat > \"$copy/$name\" <<'END' || exit 16\n{}\nEND\n{INSTALL}", pem.trim_end());
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

/// Takes an authority out again, of every mount namespace, and sees that the stores hold what they held before. Tells whether it was in
/// one; what the phone's owner has mounted there stays.
///
/// # Errors
/// [`AdbError::NoRoot`], and what the phone says: one where it cannot be taken out.
pub(super) async fn withdraw(adb: &Adb, file: &str) -> Result<bool, AdbError> {
    let what = "take the certificate out of the phone's store";
    let script = format!("name={}\n{COMMON}\n{WITHDRAW}", quoted(file));
    Ok(run_as_root(adb, &script, what).await?.trim() == "took")
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

/// Where stores are, and where theirs are made ready; and a loop over one process of each mount namespace. What is mounted by us says
/// `tattletale` as its source, and nothing else is ever unmounted.
const COMMON: &str = r#"
common='sys=/system/etc/security/cacerts; apex=/apex/com.android.conscrypt/cacerts; work=/data/local/tmp/tattletale-ca
copy=$work/copy; fresh=$work/fresh; boot=$(cat /proc/sys/kernel/random/boot_id); name='$name'
is_ours() { grep "^[^ ]* $1 " /proc/self/mounts | tail -n 1 | grep -q "^tattletale "; }
list() { { ls "$sys"; echo /; ls "$apex"; } 2>/dev/null | md5sum; }'
eval "$common"
everywhere() {
  seen=" "
  for link in /proc/[0-9]*/ns/mnt; do
    space=$(readlink "$link" 2>/dev/null) || continue
    case "$seen" in *" $space "*) continue;; esac
    nsenter --mount="$link" -- sh -c "space='$space'; $common
$1"
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

/// Notes what every namespace's stores hold, and copies what the phone trusts already: whole, or not at all.
const PREPARE: &str = r#"
mkdir -p "$copy" "$fresh" && chmod 755 "$work" "$copy" || exit 11
if [ "$(head -n 1 "$work/before" 2>/dev/null)" != "$boot" ]; then
  { echo "$boot" && everywhere 'echo "$space $(list)"'; } > "$work/before.new" || exit 12
  mv "$work/before.new" "$work/before" || exit 12
fi
from=$sys; [ -d "$apex" ] && from=$apex
cp "$from"/* "$copy"/ || exit 13
others() { ls "$1" | grep -vxF "$name"; }
[ "$(others "$from")" = "$(others "$copy")" ] || exit 14"#;

/// Puts the copy in the place of both stores, wherever ours is not seen yet: filled where nobody looks, looked through, and mounted in
/// one step, so that nobody ever sees a part of it. Its first words are by what [`WITHDRAW`] finds it while it is under way.
const INSTALL: &str = r#"
chmod 644 "$copy"/* && chown 0:0 "$copy"/* || exit 15
put=': tattletale-puts-its-certificate
places=
for place in "$sys" "$apex"; do
  [ ! -d "$place" ] || cmp -s "$copy/$name" "$place/$name" || places="$places $place"
done
[ -n "$places" ] || exit 0
from=$sys
if ! is_ours "$sys" || ! cmp -s "$copy/$name" "$sys/$name"; then
  from=$fresh
  is_ours "$fresh" && umount -l "$fresh"
  mount -t tmpfs -o mode=755 tattletale "$fresh" || exit 21
  cp "$copy"/* "$fresh"/ && chmod 644 "$fresh"/* && chown 0:0 "$fresh"/* || exit 22
  chcon -R u:object_r:system_file:s0 "$fresh" 2>/dev/null || [ "$(getenforce 2>/dev/null)" != Enforcing ] || exit 23
  [ "$(ls "$copy")" = "$(ls "$fresh")" ] && [ "$(cat "$copy"/* | md5sum)" = "$(cat "$fresh"/* | md5sum)" ] || exit 24
fi
for place in $places; do mount -o bind "$from" "$place" || exit 25; done
[ "$from" = "$sys" ] || umount -l "$fresh" || exit 26
for place in $places; do cmp -s "$copy/$name" "$place/$name" || exit 27; done'
everywhere "$put""#;

/// Whether ours is where apps look.
const SEEN: &str = r#"store=$sys; [ -d "$apex" ] && store=$apex; cmp -s "$copy/$name" "$store/$name""#;

/// Takes away what was mounted, sees that the stores hold what they held, then removes the copy. Says `took` where there was something.
/// Namespaces are gone through until nothing of ours is found, because a process that begins meanwhile takes its parent's along.
const WITHDRAW: &str = r#"
waited=0
# One that lost its cable may be under way still, and would come after us. (The brackets keep this line from finding itself.)
while [ -n "$(grep -l '[t]attletale-puts-its-certificate' /proc/[0-9]*/cmdline 2>/dev/null)" ]; do
  [ $waited -lt 150 ] || { echo "the certificate is still being put there" >&2; exit 31; }
  waited=$((waited + 1))
  sleep 0.2
done
take='
while grep -q "^tattletale " /proc/self/mounts; do
  place=$(grep "^tattletale " /proc/self/mounts | tail -n 1 | cut -d " " -f 2)
  is_ours "$place" || { echo "something else is mounted over it at $place" >&2; exit 32; }
  umount -l "$place" || exit 33
  echo took
done
if [ "$(head -n 1 "$work/before" 2>/dev/null)" = "$boot" ] && grep -qF "$space " "$work/before"; then
  grep -qF " $(list)" "$work/before" || { echo "the store does not hold what it held before" >&2; exit 35; }
else
  store=$sys; [ -d "$apex" ] && store=$apex
  [ ! -d "$store" ] || [ -n "$(ls "$store")" ] || { echo "the store is empty" >&2; exit 34; }
fi'
took=
while :; do
  now=$(everywhere "$take") || exit $?
  [ -n "$now" ] || break
  took=yes
done
rm -rf "$work" || exit 36
[ -z "$took" ] || echo took"#;
