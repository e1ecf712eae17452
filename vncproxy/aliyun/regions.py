"""The cloud's regions: a mistyped one is no fault of the name service.

A region that isn't listed may be new, or one of a special cloud: nothing is refused for it.
Source: ECS API reference, regions and zones, as read in 2026-11.
"""

from __future__ import annotations

from difflib import get_close_matches

REGIONS = frozenset(
    {
        *("cn-qingdao", "cn-beijing", "cn-zhangjiakou", "cn-huhehaote", "cn-wulanchabu"),
        *("cn-hangzhou", "cn-shanghai", "cn-nanjing", "cn-fuzhou", "cn-wuhan-lr"),
        *("cn-shenzhen", "cn-heyuan", "cn-guangzhou", "cn-chengdu", "cn-hongkong"),
        *("cn-zhengzhou-jva", "cn-hangzhou-finance", "cn-shanghai-finance-1"),
        *("cn-shenzhen-finance-1", "cn-beijing-finance-1", "cn-north-2-gov-1"),
        *("ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-3"),
        *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7"),
        *("us-east-1", "us-west-1", "us-southeast-1", "na-south-1"),
        *("eu-central-1", "eu-west-1", "me-east-1", "me-central-1"),
    }
)


def nearest_region(region: str) -> str | None:
    """The listed region closest in spelling to one that isn't listed, or None. It is a guess."""
    if region in REGIONS:
        return None
    return next(iter(get_close_matches(region, sorted(REGIONS), n=1, cutoff=0.5)), None)
