# The lowest layer of the image: Debian with what Gatehouse and a session in a pod need, and nothing to install more with.
# Sourced by build.sh. The Dockerfile begins from an official image instead.
# shellcheck shell=bash

suite=bookworm
mirror=http://deb.debian.org/debian
# tini reaps what sessions leave behind; a process that is not init does not.
extra=libstdc++6,tini
# What installs, boots, logs in or mounts. Left over libraries that only these used go too; util-linux and its own stay, for
# setpriv and setsid of sessions. dpkg's list of packages stays, for scanners.
purged=(
  adduser apt debconf debian-archive-keyring diffutils e2fsprogs gpgv init-system-helpers libapt-pkg6.0 libcom-err2
  libdb5.3 libdebconfclient0 libext2fs2 libffi8 libgnutls30 libhogweed6 libidn2-0 libnettle8 libp11-kit0 libpam-modules
  libpam-modules-bin libpam-runtime libsemanage-common libsemanage2 libsepol2 libss2 libtasn1-6 libunistring2 libxxhash0
  login logsave mawk mount ncurses-bin passwd perl-base sysvinit-utils tzdata usr-is-merged util-linux-extra
)

# make_base FOLDER
make_base() {
  local root=${1:?} log=$1.log
  debootstrap --variant=minbase --include="$extra" "$suite" "$root" "$mirror" >"$log" 2>&1 || { tail -n 3 "$log" >&2; return 1; }
  dpkg --root="$root" --force-all --purge "${purged[@]}" >>"$log" 2>&1 || { tail -n 3 "$log" >&2; return 1; }
  # shellcheck disable=SC2115 # it is set
  rm -rf "$root"/{boot,home,media,mnt,opt,srv,var/cache,var/lib/apt,var/lib/dpkg/info,var/log,usr/games,usr/include,usr/src}
  rm -rf "$root"/usr/share/{bash-completion,debconf,i18n,info,lintian,locale,man,menu,perl5,zoneinfo} "$root"/usr/lib/*/gconv
  find "$root" -xdev \( -name '*-old' -o -name '*.log' -o -name '*.dpkg-*' \) -type f -delete
  find "$root/usr/share/doc" -mindepth 1 ! -type d ! -name copyright -delete
  find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
  # Nothing in a container needs more rights than it was started with.
  find "$root" -xdev -type f -perm /6000 -exec chmod ug-s {} +
  : >"$root/etc/machine-id"
  rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
  mkdir -p "$root"/{home,mnt,opt,srv,var/cache,var/log,var/lib/gatehouse,etc/gatehouse}
  echo 'gatehouse:x:65532:65532:Gatehouse:/var/lib/gatehouse:/bin/bash' >>"$root/etc/passwd"
  echo 'gatehouse:x:65532:' >>"$root/etc/group"
  chown 65532:65532 "$root/var/lib/gatehouse"
  chmod 700 "$root/var/lib/gatehouse"
}
