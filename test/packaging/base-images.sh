#!/usr/bin/env bash
# Makes the base images of the Dockerfile from Debian's packages and the Node.js of this checkout, where no registry of images
# is to be had: debian:bookworm-slim, and node:24-bookworm-slim with npm. Run as root, with buildah and debootstrap.
#
#   base-images.sh WORK NODE
#
# WORK is a directory for what is made, NODE the program. The mirror is the one that apt has. Both names are those that the
# Dockerfile asks for; they are in the store that CONTAINERS_STORAGE_CONF names, and nowhere else.
set -euo pipefail
work=$1 node=$2

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
[ -n "$mirror" ] || { echo 'apt has no mirror of Debian bookworm' >&2; exit 1; }
debootstrap --variant=minbase bookworm "$work/debian" "$mirror" > "$work/debootstrap.log" ||
  { tail -n 5 "$work/debootstrap.log" >&2; exit 1; }
rm -rf "$work"/debian/var/cache/apt/archives/*.deb "$work"/debian/var/lib/apt/lists/*

commit() {
  local container
  container=$(buildah from "$1")
  buildah add --quiet "$container" "$2" / > /dev/null
  buildah commit --quiet "$container" "$3" > /dev/null
  buildah rm "$container" > /dev/null
}
commit scratch "$work/debian" docker.io/library/debian:bookworm-slim

# What this machine trusts and where its npm asks: a build reaches what its builder reaches.
mkdir -p "$work/node/usr/local/bin" "$work/node/usr/local/lib/node_modules" "$work/node/usr/local/etc" "$work/node/etc/ssl/certs"
cp "$node" "$work/node/usr/local/bin/node"
cp -r "$(npm root --global)/npm" "$work/node/usr/local/lib/node_modules/"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/node/usr/local/bin/npm"
cp /etc/ssl/certs/ca-certificates.crt "$work/node/etc/ssl/certs/"
printf 'registry=%s\ncafile=/etc/ssl/certs/ca-certificates.crt\n' "$(npm config get registry)" > "$work/node/usr/local/etc/npmrc"
commit docker.io/library/debian:bookworm-slim "$work/node" docker.io/library/node:24-bookworm-slim
