"""Updates over MQTT; all of it is in the platform `ota: - platform: mqtt_ota`."""
