"""Who the features are about; a user with a category is the pair of both."""

from feast import Entity, ValueType

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING, description="Who looks at the feed.")
video = Entity(name="video", join_keys=["video_id"], value_type=ValueType.STRING, description="What is in it.")
category = Entity(name="category", join_keys=["category"], value_type=ValueType.STRING, description="What it is about.")
