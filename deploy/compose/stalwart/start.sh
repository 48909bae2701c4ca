# Start Stalwart on the data store that config.json names. The recovery administrator makes the platform's account.
set -eu
STALWART_RECOVERY_ADMIN="admin:$(cat /run/secrets/stalwart_admin_password)"
export STALWART_RECOVERY_ADMIN
exec stalwart --config /etc/stalwart/config.json
