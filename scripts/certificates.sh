#!/bin/sh
# Makes certificates to try TLS with, in the folder `certificates`: an authority, if there is none; a new certificate of a
# server, and one of the basket service as a client. Not for production: the key of the authority is a file next to them.
set -eu
cd "$(dirname "$0")/.."
umask 077
folder=$PWD/certificates
days=30

fail() {
  echo "make: $1" >&2
  exit 1
}

command -v openssl >/dev/null || fail 'openssl not found: install OpenSSL'
mkdir -p "$folder"
work=$(mktemp -d "$folder/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Writes the new key NAME.key, and the request of a certificate for it.
request() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.key"
  openssl req -new -key "$work/$1.key" -subj "/CN=$2" -out "$work/$1.csr"
}

# Writes the certificate NAME.crt, with extensions from the input. The rest are parameters of openssl.
sign() {
  name=$1
  shift
  cat >"$work/$name.ext"
  serial=0x$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  openssl x509 -req -sha256 -in "$work/$name.csr" -set_serial "$serial" -extfile "$work/$name.ext" -out "$work/$name.crt" "$@" \
    2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
}

# A process that reads one between the two reads both again after a second.
install_pair() {
  mv "$work/$1.key" "$folder/$1.key"
  mv "$work/$1.crt" "$folder/$1.crt"
}

if [ ! -e "$folder/ca.crt" ] && [ ! -e "$folder/ca.key" ]; then
  request ca 'Shop development CA'
  sign ca -signkey "$work/ca.key" -days 365 <<'END'
basicConstraints=critical,CA:true,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
END
  install_pair ca
  echo "certificates/ca.crt: a new authority, valid for a year"
fi
for file in ca.crt ca.key; do
  [ -e "$folder/$file" ] ||
    fail "certificates/$file is missing: restore it. To make a new authority, remove the folder certificates: what trusts the old one does not trust the new one"
done
openssl x509 -in "$folder/ca.crt" -noout -checkend $((days * 86400)) >/dev/null ||
  fail "certificates/ca.crt is valid for less than $days days: remove the folder certificates to make a new authority"

issue() {
  request "$1" "$2"
  sign "$1" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -days "$days"
  install_pair "$1"
  echo "certificates/$1.crt: a new certificate, valid for $days days"
}

issue server shop <<'END'
basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,DNS:product-service,DNS:product-service-grpc,DNS:basket-service,IP:127.0.0.1,IP:::1
END
issue basket-client basket-service <<'END'
basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth
END

cat <<END

The product service, which then asks its clients for a certificate:

  export TLS_CERT_FILE='$folder/server.crt'
  export TLS_KEY_FILE='$folder/server.key'
  export TLS_CLIENT_CA_FILE='$folder/ca.crt'

The basket service:

  export PRODUCT_SERVICE_URL=https://localhost:50050
  export PRODUCT_SERVICE_CA_FILE='$folder/ca.crt'
  export PRODUCT_SERVICE_CERT_FILE='$folder/basket-client.crt'
  export PRODUCT_SERVICE_KEY_FILE='$folder/basket-client.key'
END
