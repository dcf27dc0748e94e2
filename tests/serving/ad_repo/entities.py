"""Who sees an advertisement, and which one."""

from feast import Entity, ValueType

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
ad = Entity(name="ad", join_keys=["ad_id"], value_type=ValueType.INT64)
