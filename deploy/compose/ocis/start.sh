# Start OCIS; the first time it writes its own configuration and internal passwords.
set -eu
[ -e /etc/ocis/ocis.yaml ] || ocis init --insecure true
exec ocis server
