"""Who the ads features are about: text keys, unlike those of the shipped example."""

from feast import Entity, ValueType

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
ad = Entity(name="ad", join_keys=["ad_id"], value_type=ValueType.STRING)
